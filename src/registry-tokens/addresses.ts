export const ADDRESS_KINDS = ['public', 'private', 'loopback', 'link-local', 'special'] as const;

/** `special` is what no server has: unspecified, multicast, reserved. */
export type AddressKind = (typeof ADDRESS_KINDS)[number];
