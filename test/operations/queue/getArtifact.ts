import { redirecting } from '../artifact-reads.js';
import { operation } from '../operation.js';

export default operation(redirecting('ofRun'));
