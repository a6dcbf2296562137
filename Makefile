# Everything starts from a virtual environment of its own, which any target builds when it is missing.
#   make lab CPU=1      on Linux without a GPU: the small CPU build of PyTorch instead of gigabytes of CUDA

PYTHON ?= python3
VENV   ?= .venv
BIN     = $(VENV)/bin
READY   = $(VENV)/.ready
INDEX   = $(if $(CPU),--extra-index-url https://download.pytorch.org/whl/cpu)

# One thread for tiny models: a second one only spins (chapter 09 measures it).
ONE_THREAD = OMP_NUM_THREADS=1
DEMO       = runs/demo
# Test files that run at the same time; 0 runs them one after the other.
WORKERS   ?= auto

.PHONY: help lab test test-browser demo chapters book bench lint clean
.DEFAULT_GOAL = help

help: ## show this list
	@echo "llamalite: Llama 1, 2 and 3 from scratch. Each command sets up what it needs."
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{printf "%-20s%s\n", $$1, $$2}'

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	  { echo "llamalite needs Python 3.10 or newer; name one: make PYTHON=python3.11 ..."; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
	  { echo "Python cannot make a virtual environment; on Debian and Ubuntu: sudo apt install python3-venv"; exit 1; }
	$(BIN)/python -m pip install --quiet $(INDEX) -c constraints.txt -e ".[lab,test,book]"
	@touch $@

lab: $(READY) ## set up, and open the chapters in JupyterLab
	$(BIN)/python -m jupyterlab chapters

test: $(READY) lint ## set up, and run every test: code, chapters, exercises, mutants
	$(ONE_THREAD) $(BIN)/python -m pytest -n $(WORKERS)
	$(ONE_THREAD) $(BIN)/python -m pytest -n $(WORKERS) --nbval chapters/

demo: $(READY) ## set up, tell tales, train a tiny Llama 3 on them for two minutes, and read what it writes
	rm -rf $(DEMO)
	$(BIN)/llamalite data tales --size 5MB --out $(DEMO)/tales
	$(BIN)/llamalite train --preset llama3-tiny --data $(DEMO)/tales --documents --out $(DEMO)/llama \
	  --dim 64 --n-layers 2 --seq-len 192 --batch-size 6 --vocab-size 2048 --steps 1500 --lr 5e-3 --threads 1
	$(BIN)/llamalite generate $(DEMO)/llama --prompt "Once upon a time" --temperature 0.7 --tokens 240

chapters: $(READY) ## run the notebooks again and store their outputs
	$(ONE_THREAD) $(BIN)/python tools/run_notebooks.py chapters/*.ipynb

book: $(READY) ## build the web book from the stored outputs: build/book/html/index.html
	$(BIN)/python tools/build_book.py

test-browser: $(READY) ## look at chapters and web book in a real browser (needs Chromium)
	$(ONE_THREAD) $(BIN)/python -m pytest -n $(WORKERS) tests/test_browser.py

bench: $(READY) ## measure how fast training and writing are, beside others (a quarter of an hour, nothing else running)
	$(ONE_THREAD) $(BIN)/python tools/bench_torch.py --out data/bench.json

lint: $(READY) ## check style and layout of the code
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

clean: ## remove the virtual environment and what tools leave behind, none of your own runs
	rm -rf $(VENV) $(DEMO) build dist *.egg-info .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
