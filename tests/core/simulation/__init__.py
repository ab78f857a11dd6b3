"""A host in a story: clocks, processes, disks and operators around the real engine and the real recorder; promises are checked after each step.

Theory of operation. `host.Host` stands for one machine: it drives the engine by the calls that the loop makes, in the order of the loop, does what
the engine wants done, and can be stopped at any point between two of these. `promises.PROMISES` are functions of a witness of the host; each raises
`Broken` when what torchsync promises does not hold. What they go by is the host's own bookkeeping (`annals`, `processes`, `dues`), never what the
engine says of itself. `chance` draws tasks and edits, from a seed or by hypothesis; `months` plays long stories from a seed.
"""
