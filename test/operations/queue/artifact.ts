import { telling } from '../artifact-reads.js';
import { operation } from '../operation.js';

export default operation(telling('ofRun'));
