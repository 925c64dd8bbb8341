"""`python -m metadx`, which is what `torchrun -m metadx` starts."""

from metadx.cli.app import main

if __name__ == "__main__":
    main()
