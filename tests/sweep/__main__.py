"""Sweep the clients of docs/sweep.md, and write their matrices there: `python -m tests.sweep`."""

from __future__ import annotations

from tests.sweep.measured import PAGE, RECORDINGS, matrix_block, rewrite, swept, whole_block


def main() -> None:
    """Write the page's blocks."""
    blocks, lines = {}, []
    for recording, clients in RECORDINGS.items():
        for client in clients:
            matrix = swept(recording, client)
            blocks[f"{recording} {client}"] = matrix_block(recording, client, matrix)
            lines.append(whole_block(recording, client, matrix))
            print(matrix, flush=True)
    table = "\n".join(("| client | recording | what it did |", "|---|---|---|", *lines))
    blocks["whole responses"] = f"<!-- whole responses -->\n{table}\n<!-- end -->"
    PAGE.write_text(rewrite(PAGE.read_text(), blocks))


if __name__ == "__main__":
    main()
