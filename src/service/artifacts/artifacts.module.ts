import { Module } from '@nestjs/common';
import { QueueModule } from '../queue/queue.module.js';
import { ArtifactsController } from './artifacts.controller.js';
import { Blobs } from './blobs/blobs.js';
import { DiskStore } from './blobs/disk-store.js';
import { BlobsController } from './blobs.controller.js';
import { ContentController } from './content.controller.js';
import { CreateArtifactService } from './create-artifact.service.js';
import { Downloads } from './downloads.js';
import { ArtifactExpiry } from './expiry.service.js';
import { FindArtifact } from './find-artifact.service.js';
import { LendArtifactCredentials } from './lend-artifact-credentials.js';
import { ObjectsController } from './objects.controller.js';
import { ObjectsService } from './objects.service.js';
import { Uploads } from './uploads.js';

/** What runs leave behind. */
@Module({
  imports: [QueueModule],
  controllers: [ArtifactsController, ContentController, ObjectsController, BlobsController],
  providers: [
    CreateArtifactService,
    FindArtifact,
    ObjectsService,
    LendArtifactCredentials,
    Downloads,
    Uploads,
    Blobs,
    DiskStore,
    ArtifactExpiry,
  ],
})
export class ArtifactsModule {}
