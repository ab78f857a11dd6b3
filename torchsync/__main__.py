import sys

from torchsync.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
