/**
 * A provider for tests: the engine's own Python children over `tinker/`, a module that stands in for the
 * SDK and keeps everything in a folder. It needs a Python with numpy (TINKER_PYTHON or ENGINE_PYTHON).
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TinkerBackendDeps } from '../../../adapters/tinker/backend.ts'
import { fromRoot } from '../process/from-root.ts'

export const FAKE_BASE = 'base/tiny'

const CANDIDATES = [
  process.env['TINKER_PYTHON'],
  process.env['ENGINE_PYTHON'],
  fromRoot('adapters/tinker/.venv/bin/python'),
  fromRoot('adapters/trainer/.venv/bin/python'),
  'python3',
].filter((path) => path !== undefined)

const CHECK = 'import sys, numpy; sys.exit(sys.version_info < (3, 11))'

const python = CANDIDATES.find((path) => spawnSync(path, ['-c', CHECK]).status === 0)

/** Why the children cannot run here; null when they can. */
export const missingForTinker = (): string | null =>
  python === undefined ? 'no Python 3.11 with numpy; TINKER_PYTHON names one' : null

export const tinkerPython = python ?? 'python3'

export interface FakeCall {
  place: string
  status: number
  run?: string
  path?: string
  ttl?: number | null
  rate?: number
  tokens?: number
}

export class FakeProvider {
  readonly folder: string
  readonly modelPath: string

  constructor(folder: string, modelPath: string) {
    this.folder = folder
    this.modelPath = modelPath
    mkdirSync(folder, { recursive: true })
  }

  /** Of the children; the training one inherits this process's environment. */
  get env(): Record<string, string> {
    return {
      FAKE_TINKER_DIR: this.folder,
      FAKE_TINKER_MODEL: this.modelPath,
      FAKE_TINKER_BASES: FAKE_BASE,
      PYTHONPATH: fromRoot('test/kit/tinker'),
      OMP_NUM_THREADS: '1',
      OPENBLAS_NUM_THREADS: '1',
    }
  }

  /** What goes wrong from now on, as `tinker/__init__.py` reads it; {} is nothing. */
  fail(faults: object): void {
    writeFileSync(join(this.folder, 'faults.json'), JSON.stringify(faults))
  }

  calls(place?: string): FakeCall[] {
    const path = join(this.folder, 'calls.jsonl')
    if (!existsSync(path)) return []
    return readFileSync(path, 'utf8')
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as FakeCall)
      .filter((call) => place === undefined || call.place === place)
  }

  backendDeps(dataDir: string): TinkerBackendDeps {
    Object.assign(process.env, this.env)
    return {
      modelPath: this.modelPath,
      baseModel: FAKE_BASE,
      dataDir,
      python: tinkerPython,
      scripts: fromRoot('adapters/tinker'),
      env: process.env,
      provider: 'a stand-in',
      prices: null,
      log: () => undefined,
    }
  }
}
