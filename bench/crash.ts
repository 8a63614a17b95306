/**
 * Kills with SIGKILL at random moments of the loop and counts what got lost:
 * `npm run bench:crash -- [--rounds n] [--seed n] [--engine fake|onnx|gpu] [--model path]  [--rollout] [--store sqlite|postgres] [--out file]`.
 * With an embedded engine the whole server is killed (crash/server.ts), with the GPU engine that
 * engine's processes (crash/gpu.ts). `--rollout` is about what follows the approval (crash/rollout.ts),
 * with the fake engine. `--store postgres` is about two proxies and two workers on a database that fails, too
 * (crash/postgres.ts).
 */
import { createProgress } from '../src/cli/output.ts'
import { crashGpu } from './crash/gpu.ts'
import { crashPostgres } from './crash/postgres.ts'
import { crashRollout } from './crash/rollout.ts'
import { crashServer } from './crash/server.ts'
import { conclude } from '../test/kit/report.ts'
import { optional, readOptions } from './harness/options.ts'

const args = readOptions({
  rounds: 50,
  seed: 1,
  engine: 'fake',
  model: optional,
  rollout: false,
  store: 'sqlite',
})

const crashLoop = args.engine === 'gpu' ? crashGpu : crashServer
const crashHere = args.rollout ? crashRollout : crashLoop
const crash = args.store === 'postgres' ? crashPostgres : crashHere
const figures = await crash({
  rounds: args.rounds,
  seed: args.seed,
  engine: args.engine,
  model: args.model ?? null,
  progress: createProgress(),
})
conclude(figures, args.out)
