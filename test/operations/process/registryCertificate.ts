import { X509Certificate } from 'node:crypto';
import { operation } from '../operation.js';

export default operation({
  arrange: () => ({}),
  check: async ({ body: text, headers }, _, world) => {
    expect(headers).toMatchObject({ 'content-type': 'application/pem-certificate-chain', 'cache-control': 'public, max-age=300' });
    expect(text).toMatch(/^-----BEGIN CERTIFICATE-----\n[\w+/=\n]+-----END CERTIFICATE-----\n$/);
    const certificate = new X509Certificate(text);
    expect({ ca: certificate.ca, key: certificate.publicKey.asymmetricKeyDetails }).toEqual({
      ca: true,
      key: { namedCurve: 'prime256v1' },
    });
    expect(certificate.verify(certificate.publicKey)).toBe(true);
    const again = await world.root.as().get('/registry/certificate');
    expect(again.body).toBe(text);
  },
});
