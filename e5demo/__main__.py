import sys


def run() -> int:
    try:
        from e5demo.cli import main

        return main()
    except KeyboardInterrupt:  # while the libraries load; later ones are the command's own
        print("Interrupted.", file=sys.stderr)
        return 130


sys.exit(run())
