import { testOperations } from './operations/suite.js';

await testOperations('artifacts', 'object');
