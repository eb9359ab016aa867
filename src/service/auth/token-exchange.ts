/** The grant by which a run's credentials become a token (RFC 8693): for who exchanges, and for who says that it can be done. */
export const TOKEN_EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
