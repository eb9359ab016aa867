import { listing } from '../artifact-reads.js';
import { operation } from '../operation.js';

export default operation({ ...listing('latest'), scopes: ({ params }) => [[`queue:list-artifacts:${params.taskId}`]] });
