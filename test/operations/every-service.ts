import { VERSION } from '../../src/service/version.js';
import { operation } from './operation.js';

const arrange = () => ({});

/** What every service answers about itself, whoever asks; `ping` of the queue is called queuePing in openapi.yaml, and so on. */
export const everyService = {
  Ping: operation({
    arrange,
    check: ({ body }) => expect(body).toEqual({ alive: true, uptime: expect.any(Number) }),
    also: {
      'whoever signs badly': {
        call: { as: { clientId: 'nobody', accessToken: 'x'.repeat(44) } },
        check: ({ status }) => expect(status).toBe(200),
      },
    },
  }),
  Lbheartbeat: operation({ arrange, check: ({ body }) => expect(body).toEqual({}) }),
  Heartbeat: operation({ arrange, check: ({ body }) => expect(body).toEqual({}) }),
  Version: operation({ arrange, check: ({ body }) => expect(body).toEqual({ version: VERSION, commit: '', source: '', build: '' }) }),
};
