import type { AddressKind } from './addresses.js';

/** How a session proves who it is to a token server, or to a registry that wants Basic. Secret. */
export type Credential =
  | { kind: 'basic'; username: string; password: string }
  /** An identity token, as `docker login` stores one: exchanged by POST, `grant_type=refresh_token`. */
  | { kind: 'refresh'; token: string }
  /** A header for each token request, made anew; for servers that know us otherwise. Only ever sent to `realm`. */
  | {
      kind: 'signed';
      /** The one URL (origin and path) that is signed for. */
      realm: string;
      /** Answers the Authorization header for that URL with its query. */
      authorization(method: string, url: string): string;
      /** Of what signs now: tokens made by another are not used any more. */
      fingerprint(): string;
    };

/** The credential of repositories whose name is that prefix or begins with it and a slash; '' is all. The longest prefix wins. */
export interface CredentialFor {
  prefix: string;
  /** None: these are asked for as anybody, whatever a shorter prefix has. */
  credential?: Credential;
}

/** One registry as an operator knows it: https://distribution.github.io/distribution/spec/auth/token/ says what a realm and a service are. */
export interface RegistrySettings {
  /** Scheme, host and port, nothing else: https://registry.example.com. */
  origin: string;
  /** Known in advance, so that no challenge is needed. */
  realm?: string;
  service?: string;
  /** Origins of realms that this registry may name beside its own. They are trusted for it alone. */
  trustedRealms?: readonly string[];
  /** Where a gateway's challenges name a repository otherwise: the requested prefix, and what stands in its place there. */
  rewrites?: readonly { requested: string; challenged: string }[];
  /** None: anonymous. */
  credentials?: readonly CredentialFor[];
  /** Reads ask for `pull,push`, too: one token fewer for a copy, and less isolation. */
  widen?: boolean;
  /** Which addresses its host, and its realm's, may have. By default what each of the hosts says: see `dialableKinds`. */
  addresses?: readonly AddressKind[];
  /** PEM. Presented to and trusted for this origin alone, never for a realm elsewhere. */
  tls?: { ca?: string; cert?: string; key?: string };
}
