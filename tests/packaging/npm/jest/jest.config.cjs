module.exports = {
  globalSetup: "./setup.cjs",
  globalTeardown: "./teardown.cjs",
  testMatch: ["**/*.test.cjs"],
  testEnvironment: "node",
  watchman: false,
};
