import { describing } from '../artifact-reads.js';
import { operation } from '../operation.js';

export default operation({ ...describing('latest'), scopes: ({ params }) => [[`queue:list-artifacts:${params.taskId}`]] });
