/** From when until when a token is good: unix seconds, by the database's clock. */
export interface TokenDates {
  issued: number;
  expires: number;
}

export const TOKEN_DATES = 'extract(epoch from issued)::float8 as issued, extract(epoch from expires)::float8 as expires';

/**
 * What is written down of a token, and when: of one that is refused, or may do nothing, there is nothing to tell. Parameters:
 * $1 seconds that it may live, $2 unix seconds when its caller's credentials end, $3 jti, $4 service, $5 access (json)
 */
export const OF_TOKEN = {
  relation: `token where expires > issued and json_array_length($5::json) > 0`,
  detail: `json_build_object('jti', $3::text, 'service', $4::text, 'exp', extract(epoch from expires)::bigint, 'access', $5::json)`,
};
