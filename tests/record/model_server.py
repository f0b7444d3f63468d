"""llama.cpp's HTTP server on a loopback port, which its first line names; it ends with its standard input.

python model_server.py MODEL.gguf [GRAMMAR]        in the environment of requirements.txt
"""

from __future__ import annotations

import os
import sys

import xllamacpp

parameters = xllamacpp.CommonParams()
parameters.model.path = sys.argv[1]
# The name of its model in answers: else it is the path of the file.
parameters.model_alias = {"tiny-random"}
parameters.hostnames = ["127.0.0.1"]
parameters.port = 0
# As many as the choices of one request.
parameters.n_parallel = 3
parameters.n_ctx = 3 * 2048
parameters.n_gpu_layers = 0
parameters.cpuparams.n_threads = 1
parameters.warmup = False
# The same answers each time, in the form that a case gives them: a model with random weights never stops.
parameters.sampling.seed = 4
if len(sys.argv) > 2:
    kind = xllamacpp.common_grammar_type.COMMON_GRAMMAR_TYPE_USER
    parameters.sampling.grammar = xllamacpp.CommonGrammar(kind, sys.argv[2])
server = xllamacpp.Server(parameters)
print(f"listening {server.listening_address}", flush=True)
sys.stdin.read()
# A normal exit waits for streams that have no reader any more.
os._exit(0)
