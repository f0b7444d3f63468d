import { defineConfig } from "@playwright/test";

export default defineConfig({
  globalSetup: "./setup.ts",
  use: { launchOptions: { executablePath: process.env["CHROMIUM"], args: ["--no-sandbox", "--disable-gpu"] } },
});
