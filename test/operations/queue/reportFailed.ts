import { operation } from '../operation.js';
import { reporting } from '../runs.js';

export default operation(reporting('failed', 'completed'));
