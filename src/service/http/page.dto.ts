import { Text } from './shape.js';

/** What an answer has that comes in pages. */
export class Page {
  @Text({ optional: true, description: 'Where the next page begins; absent on the last' })
  continuationToken?: string;
}
