"""`python -m livepeer_client`."""

from livepeer_client.cli import main

if __name__ == "__main__":
    main()
