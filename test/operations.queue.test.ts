import { testOperations } from './operations/suite.js';

await testOperations('queue');
