/** Starts `tokentape serve` for the tests of a project: by itself, or as the global setup of a test runner. */

import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { accessSync, constants } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { delimiter, join, resolve } from "node:path";

import { FakeProvider } from "./client.ts";
import { VERSION } from "./version.ts";

export interface ServerOptions {
  /** Rules files and cassettes, and folders of both. */
  paths?: string[];
  /** Further options of `tokentape serve`, such as `["--strict"]`. */
  args?: string[];
  /**
   * What runs tokentape, such as `["uv", "run", "tokentape"]`. By default the first that is installed of `tokentape`,
   * `uvx`, `pipx` and `docker`.
   */
  command?: string[];
  /** The image for docker. */
  image?: string;
  /** By default a free port. */
  port?: number;
  /** The token of the control API, by default a random one. */
  token?: string;
  /** How long it may take to start, which includes the download of uvx or pipx; in ms. */
  startTimeout?: number;
}

/** A running server. */
export interface Server {
  readonly url: string;
  readonly token: string;
  /** Its control API. */
  readonly provider: FakeProvider;
  /** Ends the server; resolves when it has ended. */
  stop(): Promise<void>;
}

type Launch = { argv: string[]; url?: string };

const REQUIREMENT = `tokentape[harness]${VERSION === "" ? "" : `==${VERSION}`}`;
const LAUNCHERS = ["tokentape", "uvx", "pipx", "docker"] as const;

/**
 * Starts a server; resolves when it answers. Throws an error with what the server printed if it does not start.
 *
 * The server does not keep this program running, and ends with it, however it ends.
 */
export async function startServer(options: ServerOptions = {}): Promise<Server> {
  const token = options.token ?? randomBytes(16).toString("hex");
  const { argv, url: known } = await launch(options);
  const [program, ...args] = argv;
  const env = { ...process.env, TOKENTAPE_TOKEN: token };
  const child = spawn(program!, args, { env, stdio: "pipe" });
  const handles = [child, child.stdin, child.stdout, child.stderr] as unknown as NodeJS.RefCounted[];
  const kill = () => void child.kill();
  process.once("exit", kill);
  let printed = "";
  const ended = new Promise<void>((done) => {
    child.once("error", (error) => ((printed += `${error}\n`), done()));
    child.once("close", () => done());
  });
  const announced = new Promise<void>((done) => {
    for (const output of [child.stdout, child.stderr]) {
      output.setEncoding("utf8").on("data", (text: string) => {
        printed = (printed + text).slice(-10_000);
        if (/^Ctrl-C/m.test(printed)) done();
      });
    }
  });
  let timer: NodeJS.Timeout | undefined;
  const { startTimeout = 180_000 } = options;
  const late = new Promise<void>((done) => (timer = setTimeout(done, startTimeout)));
  const started = await Promise.race([announced.then(() => true), ended.then(() => false), late]);
  clearTimeout(timer);
  const stop = async () => {
    process.removeListener("exit", kill);
    for (const handle of handles) handle.ref();
    kill();
    await ended;
  };
  if (started !== true) {
    await stop();
    const within = started === undefined ? ` within ${startTimeout} ms` : "";
    throw new Error(`tokentape did not start${within}: ${argv.join(" ")}\n${printed}`);
  }
  for (const handle of handles) handle.unref();
  const url = known ?? /serves a fake provider at (\S+)/.exec(printed)![1]!;
  return { url, token, provider: new FakeProvider(url, { token }), stop };
}

const RUNNING = Symbol.for("tokentape.servers");
const running = globalThis as { [RUNNING]?: Server[] };

/**
 * The global setup of vitest, jest or Playwright: starts a server before all tests, which find it by the variables
 * TOKENTAPE_URL and TOKENTAPE_TOKEN (`fakeProvider()`). Where TOKENTAPE_URL is set already, that server is used.
 *
 *     export default globalSetup({ paths: ["tests/rules.yaml"] });
 *
 * Jest needs a file for its `globalTeardown`, too: `export default globalTeardown`.
 */
export function globalSetup(options: ServerOptions = {}): () => Promise<() => Promise<void>> {
  return async () => {
    if (!process.env["TOKENTAPE_URL"]) {
      const server = await startServer(options);
      (running[RUNNING] ??= []).push(server);
      process.env["TOKENTAPE_URL"] = server.url;
      process.env["TOKENTAPE_TOKEN"] = server.token;
    }
    return globalTeardown;
  };
}

/** Ends the servers that `globalSetup` started. */
export async function globalTeardown(): Promise<void> {
  await Promise.all((running[RUNNING]?.splice(0) ?? []).map((server) => server.stop()));
}

/** The server that `globalSetup` started, or that TOKENTAPE_URL names. */
export function fakeProvider(): FakeProvider {
  return new FakeProvider(process.env["TOKENTAPE_URL"] || undefined, { token: process.env["TOKENTAPE_TOKEN"] });
}

async function launch(options: ServerOptions): Promise<Launch> {
  const { paths = [], args = [], port = 0 } = options;
  const serve = ["serve", "--until-eof", "--port", `${port}`, ...args, ...paths];
  if (options.command !== undefined) return { argv: [...options.command, ...serve] };
  switch (LAUNCHERS.find(isInstalled)) {
    case "tokentape":
      return { argv: ["tokentape", ...serve] };
    case "uvx":
      return { argv: ["uvx", "--from", REQUIREMENT, "tokentape", ...serve] };
    case "pipx":
      return { argv: ["pipx", "run", "--spec", REQUIREMENT, "tokentape", ...serve] };
    case "docker": {
      const outside = port === 0 ? await freePort() : port;
      const image = options.image ?? `tokentape:${VERSION === "" ? "latest" : VERSION}`;
      const mounts = paths.flatMap((path, index) => ["--volume", `${resolve(path)}:${inside(path, index)}:ro`]);
      const inner = ["serve", "--until-eof", "--host", "0.0.0.0", "--port", "8089", ...args, ...paths.map(inside)];
      const run = ["docker", "run", "--rm", "--interactive", "--env", "TOKENTAPE_TOKEN"];
      const publish = ["--publish", `127.0.0.1:${outside}:8089`];
      return { argv: [...run, ...publish, ...mounts, image, ...inner], url: `http://127.0.0.1:${outside}` };
    }
    case undefined:
      throw new Error(
        `none of ${LAUNCHERS.join(", ")} is installed: pip install 'tokentape[harness]', or name the command`,
      );
  }
}

/** The path of a served file or folder in the container. */
function inside(path: string, index: number): string {
  return `/rules/${index}/${path.split(/[\\/]/).filter(Boolean).at(-1)}`;
}

function isInstalled(program: string): boolean {
  const names = process.platform === "win32" ? [`${program}.exe`] : [program];
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  return folders.some((folder) =>
    names.some((name) => {
      try {
        accessSync(join(folder, name), constants.X_OK);
        return folder !== "";
      } catch {
        return false;
      }
    }),
  );
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await new Promise((done) => probe.once("listening", done));
  const { port } = probe.address() as AddressInfo;
  await new Promise((done) => probe.close(done));
  return port;
}
