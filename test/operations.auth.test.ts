import { testOperations } from './operations/suite.js';

await testOperations('auth', 'process', 'purge-cache');
