import type { lookup } from 'node:dns';
import { type IncomingMessage, request as overHttp } from 'node:http';
import type { Call } from '../pass-on.js';
import { relay } from '../pass-on.js';
import { malformed, Refusal } from '../refusal.js';
import type { Handler, Route, Tunnel } from '../route.js';
import { AllowList } from './allow-list.js';
import type { AllowedOrigin } from './allowed-origin.js';
import { answeredHeaders, outgoingHeaders } from './end-to-end-headers.js';
import { reach, unreached } from './reach.js';
import { absoluteTarget, authorityOf, originOf, type Target, tunnelTarget } from './target.js';

export interface OutgoingRouteOptions {
  /** Of our own service: it is called by paths, with credentials, and not as if it were a stranger. */
  rootUrl: string;
  resolve?: typeof lookup;
}

/** Undefined where nothing is allowed: a proxy without it knows neither URLs nor tunnels. */
export function outgoingRoute(allowed: readonly AllowedOrigin[], options: OutgoingRouteOptions): Route | undefined {
  return allowed.length === 0 ? undefined : new OutgoingRoute(new AllowList(allowed), options);
}

/**
 * An ordinary proxy of HTTP (RFC 9110, 7.3.2), to the few origins that an operator has listed: requests whose target is a URL for those of
 * http, tunnels for those of https. No credential is ever added here.
 */
class OutgoingRoute implements Route {
  readonly reaches: readonly string[];
  readonly #service: URL;

  constructor(
    private readonly allowed: AllowList,
    private readonly options: OutgoingRouteOptions,
  ) {
    this.reaches = allowed.names;
    this.#service = new URL(options.rootUrl);
  }

  handlerOf({ method = '', url = '' }: IncomingMessage): Handler | undefined {
    const target = absoluteTarget(method, url);
    const allowed = target && this.#find(target);
    if (!allowed) return undefined;
    if (target.isSecure)
      throw malformed(`https is tunnelled: send CONNECT ${target.host}:${target.port}, which clients do that know an HTTPS proxy`);
    // it is answered with the request as it was sent, by whoever is on the way
    if (method === 'TRACE') throw new Refusal(405, 'InvalidRequestArguments', 'TRACE is not passed on');
    return (call) => this.#exchange(call, target, allowed);
  }

  tunnelOf(authority: string): Tunnel | undefined {
    const target = tunnelTarget(authority);
    const allowed = this.#find(target);
    if (allowed) return { dial: () => reach(target, allowed, this.options.resolve), unreached: (error) => unreached(target.host, error) };
    if (this.allowed.find({ ...target, isSecure: false }))
      throw malformed(`${target.host} is reached by http: send the request itself, as GET ${originOf({ ...target, isSecure: false })}/`);
    return undefined;
  }

  #find(target: Target): AllowedOrigin | undefined {
    const exact = this.allowed.exactly(target);
    if (exact || !this.#isService(target)) return exact ?? this.allowed.find(target);
    throw malformed('This is the service itself: ask this proxy for the path alone, as /queue/v1/ping, and the call is signed');
  }

  #isService({ host, port }: Target): boolean {
    const { hostname, protocol, port: digits } = this.#service;
    return host === hostname && port === Number(digits || (protocol === 'https:' ? 443 : 80));
  }

  /** A connection for each, so that nothing that is left on one can answer the next. */
  async #exchange(call: Call, target: Target & { resource: string }, allowed: AllowedOrigin): Promise<void> {
    const { request, signal, most } = call;
    const told = (error: Error) => unreached(target.host, error);
    const upstream = overHttp({
      ...reach(target, allowed, this.options.resolve),
      method: request.method ?? 'GET',
      path: target.resource,
      headers: outgoingHeaders(request, authorityOf(target)),
      agent: false,
      maxHeaderSize: most.headerBytes,
      insecureHTTPParser: false,
      timeout: most.idleMs,
      signal,
    });
    await relay(call, upstream, answeredHeaders, told);
  }
}
