import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, it, vi } from 'vitest'
import { writeRandomModel } from '../../adapters/onnx/model/random-model.ts'
import { BY_STAND_IN, missingForPeft, startPeftProcess } from '../../bench/harness/peft-process.ts'
import { describeContract } from './suite.ts'
import { tinyModel } from './tiny-model.ts'

const SERVING: Record<string, Record<string, string>> = {
  peft: { ENGINE_SERVING: 'transformers' },
  "peft, vLLM's API by a stand-in": BY_STAND_IN,
}

const describePeft = (): void => {
  // each job is a process that loads torch
  vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 })
  const modelFolder = mkdtempSync(join(tmpdir(), 'contract-peft-'))
  const modelPath = join(modelFolder, 'tiny')
  writeRandomModel(modelPath, { seed: 11 })
  afterAll(() => rmSync(modelFolder, { recursive: true }))
  for (const [name, env] of Object.entries(SERVING)) {
    describeContract(
      name,
      (dataDir) => startPeftProcess({ modelPath, dataDir, env }),
      tinyModel(80)
    )
  }
}

const reason = missingForPeft()
if (reason === null) describePeft()
else describe.skip(`engine contract: peft (${reason})`, () => it('is skipped', () => undefined))
