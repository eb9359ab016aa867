import { Module } from '@nestjs/common';
import { QueueModule } from '../queue/queue.module.js';
import { AmqpPublisher } from './amqp/amqp-publisher.js';
import { EventFeed } from './event-feed.js';
import { EventHistory } from './event-history.js';
import { EventStream } from './event-stream.js';
import { EventsController } from './events.controller.js';
import { OpenStreams } from './open-streams.js';

/** What happened, told to those who follow. */
@Module({
  imports: [QueueModule],
  controllers: [EventsController],
  providers: [EventFeed, OpenStreams, EventStream, EventHistory, AmqpPublisher],
})
export class EventsModule {}
