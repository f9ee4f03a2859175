"""`python -m spark` is `spark`."""

from spark.cli import main

if __name__ == "__main__":
    main()
