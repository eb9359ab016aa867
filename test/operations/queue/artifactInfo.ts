import { describing } from '../artifact-reads.js';
import { operation } from '../operation.js';

export default operation({ ...describing('ofRun'), scopes: ({ params }) => [[`queue:list-artifacts:${params.taskId}:0`]] });
