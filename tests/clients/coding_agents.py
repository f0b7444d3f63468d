"""The coding agents that are recorded and replayed: how each is installed, run and pointed at the proxy.

python -m tests.clients.coding_agents        writes the table in docs/agents.md
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from tests.clients.environments import folder, node_path, versions

QUESTION: Final = "Read the file notes.txt in this folder and tell me the colour."
NOTES: Final = "The colour is teal.\n"
NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


class CodingAgent(NamedTuple):
    """A coding agent that runs without a terminal.

    `program` is its file in the folder of its environment, a JavaScript file is run by node. `arguments` may hold
    placeholders of `tokentape record`. The model calls `tool` with the arguments `call`, where `{cwd}` is the folder,
    and after the result it answers, and calls the tool `ending` if that ends the run. `files` are those of the home
    folder.
    `provider` has the variable that names the upstream.
    """

    package: str
    environment: str
    program: str
    arguments: Sequence[str]
    provider: str
    tool: str = ""
    call: Mapping[str, Any] = NOTHING
    ending: str = ""
    files: Mapping[str, str] = NOTHING
    config: tuple[str, str] = ("", "")
    variables: Mapping[str, str] = NOTHING
    how: str = ""
    moves_clock: bool = True

    def command(self, *before: str) -> list[str]:
        """Its command line, with a command that runs the agent alone. Raises `UnavailableError`."""
        place = folder(self.environment)
        found = sorted(place.glob(self.program), key=lambda path: len(str(path)))
        if not found:
            raise FileNotFoundError(f"{place / self.program}: {self.package} has no such file")
        node = [str(Path(node_path()) / "node")] if found[0].suffix in (".js", ".cjs") else []
        program = [*before, *node, str(found[0]), *self.arguments]
        if self.config[0]:
            return ["sh", "-c", 'printf %s "$2" > "$HOME/$1"; shift 2; exec "$@"', "sh", *self.config, *program]
        return program

    def arguments_of_call(self, cwd: Path) -> str:
        """The JSON arguments of the model's call."""
        return json.dumps({name: value.replace("{cwd}", str(cwd)) for name, value in self.call.items()})


FILE: Final = "{cwd}/notes.txt"
CODING_AGENTS: Final = (
    CodingAgent(
        "@anthropic-ai/claude-code",
        "claude_code",
        "node_modules/@anthropic-ai/claude-code/cli-wrapper.cjs",
        ("-p", QUESTION),
        "ANTHROPIC_BASE_URL",
        "Read",
        {"file_path": FILE},
        variables={"DISABLE_AUTOUPDATER": "1", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1"},
    ),
    CodingAgent(
        "@openai/codex",
        "codex",
        "node_modules/@openai/codex/bin/codex.js",
        (
            *("exec", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox", "-m", "gpt-5.2-codex"),
            *("-c", 'model_provider="tape"', "-c"),
            'model_providers.tape={name="tape",base_url="{openai}",env_key="OPENAI_API_KEY",wire_api="responses"}',
            QUESTION,
        ),
        "OPENAI_BASE_URL",
        "exec_command",
        {"cmd": f"cat {FILE}"},
        how='`-c \'model_providers.NAME={..., base_url="{openai}", wire_api="responses"}\'`',
        # It is linked statically: with a library that moves the clock, its requests still have today's date (0.171.0).
        moves_clock=False,
    ),
    CodingAgent(
        "@google/gemini-cli",
        "gemini_cli",
        "node_modules/@google/gemini-cli/bundle/gemini.js",
        ("-p", QUESTION, "--yolo", "-m", "gemini-2.5-pro"),
        "GOOGLE_GEMINI_BASE_URL",
        "read_file",
        {"file_path": FILE},
        files={".gemini/settings.json": '{"security": {"auth": {"selectedType": "gemini-api-key"}}}'},
        variables={"GEMINI_CLI_TRUST_WORKSPACE": "true"},
    ),
    CodingAgent(
        "@qwen-code/qwen-code",
        "qwen_code",
        "node_modules/@qwen-code/qwen-code/cli.js",
        ("-p", QUESTION, "--yolo", "--auth-type", "openai", "-m", "qwen3-coder-plus"),
        "OPENAI_BASE_URL",
        "run_shell_command",
        {"command": f"cat {FILE}"},
    ),
    CodingAgent(
        "opencode-ai",
        "opencode",
        "node_modules/opencode-*-*/bin/opencode*",
        ("run", "-m", "openai/gpt-5", QUESTION),
        "OPENAI_BASE_URL",
        "read",
        {"filePath": FILE},
        files={
            ".config/opencode/opencode.json": json.dumps(
                {"autoupdate": False, "provider": {"openai": {"options": {"baseURL": "{env:OPENAI_BASE_URL}"}}}}
            )
        },
        how="`provider.openai.options.baseURL` in `opencode.json`: `{env:OPENAI_BASE_URL}`",
    ),
    CodingAgent(
        "@earendil-works/pi-coding-agent",
        "pi",
        "node_modules/@earendil-works/pi-coding-agent/dist/bundle/cli.js",
        ("--provider", "openai", "--model", "gpt-5", "-p", QUESTION),
        "OPENAI_BASE_URL",
        "bash",
        {"command": f"cat {FILE}"},
        config=(".pi/agent/models.json", '{"providers": {"openai": {"baseUrl": "{openai}"}}}'),
        how="`baseUrl` of the provider in `~/.pi/agent/models.json`, with `{openai}`",
    ),
    CodingAgent(
        "@continuedev/cli",
        "continue",
        "node_modules/@continuedev/cli/dist/cn.js",
        ("-p", QUESTION),
        "OPENAI_BASE_URL",
        "Read",
        {"filepath": FILE},
        config=(
            ".continue/config.yaml",
            json.dumps(
                {
                    "name": "tape",
                    "version": "1.0.0",
                    "schema": "v1",
                    "models": [
                        {
                            "name": "tape",
                            "provider": "openai",
                            "model": "gpt-4o",
                            "roles": ["chat"],
                            "apiKey": "sk-fake",
                            "apiBase": "{openai}",
                        }
                    ],
                }
            ),
        ),
        how="`apiBase` of the model in `~/.continue/config.yaml`, with `{openai}`",
    ),
    CodingAgent(
        "aider-chat",
        "aider",
        "bin/aider",
        (
            *("--model", "openai/gpt-4o", "--no-git", "--yes-always", "--no-check-update", "--no-analytics"),
            *("--no-show-model-warnings", "--no-show-release-notes", "--message", "What colour is in the notes?"),
            "notes.txt",
        ),
        "OPENAI_API_BASE",
    ),
    CodingAgent(
        "gptme",
        "gptme",
        "bin/gptme",
        ("--non-interactive", "--tool-format", "tool", "--name", "tape", "-m", "openai/gpt-4o", QUESTION),
        "OPENAI_BASE_URL",
        "shell",
        {"command": "cat notes.txt"},  # it cuts a long command short in the result of the tool
        "complete",
        variables={"COLUMNS": "500"},  # it wraps lines, and paths differ in length
    ),
)
PAGE: Final = Path(__file__).parents[2] / "docs" / "agents.md"
_BEGIN: Final = "<!-- written by python -m tests.clients.coding_agents -->\n"
_END: Final = "<!-- end -->\n"


def page(text: str) -> str:
    """The page with its table as it should be."""
    before, _, rest = text.partition(_BEGIN)
    rows = [
        (agent.package, versions(agent.environment)[agent.package], agent.how or f"`{agent.provider}`")
        for agent in CODING_AGENTS
    ]
    lines = [
        "| " + " | ".join(row) + " |" for row in (("agent", "version", "how it finds the proxy"), ("---",) * 3, *rows)
    ]
    return "\n".join([before + _BEGIN, *lines, "", _END + rest.partition(_END)[2]])


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
