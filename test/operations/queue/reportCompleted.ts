import { operation } from '../operation.js';
import { reporting } from '../runs.js';

const completed = reporting('completed', 'failed');

export default operation({
  ...completed,
  also: {
    ...completed.also,
    'success: false, an old way to say failed': {
      call: { body: { success: false } },
      check: ({ body }) => expect(body.status.state).toBe('failed'),
    },
  },
});
