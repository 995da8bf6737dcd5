import { availableParallelism } from 'node:os';

export default {
  testEnvironment: '<rootDir>/test/support/environment.mjs',
  roots: ['<rootDir>/test'],
  extensionsToTreatAsEsm: ['.ts'],
  setupFilesAfterEnv: ['<rootDir>/test/support/setup.ts'],
  testRunner: '<rootDir>/test/support/suite-runner.mjs',
  testSequencer: '<rootDir>/test/support/suite-order.mjs',
  reporters: ['default', '<rootDir>/test/support/left-out.mjs'],
  globalTeardown: '<rootDir>/test/support/ends.mjs',
  testTimeout: 120_000,
  // Most suites wait for processes: Jest's own choice would leave a machine with two cores half idle.
  maxWorkers: Math.max(2, availableParallelism() - 1),
  transform: {
    '^.+\\.ts$': ['@swc/jest', { swcrc: false, jsc: { parser: { syntax: 'typescript' }, target: 'es2022' } }],
  },
};
