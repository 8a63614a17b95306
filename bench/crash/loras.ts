/** Whether the loras that an engine serves are whole, by their files and by their names. */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ModelObject } from '../../src/openai/fine-tuning.ts'

/** Loras are named by the sha256 of these two files, one behind the other (docs/contract.md, "Models"). */
const NAMED_BY = ['adapter_model.safetensors', 'manifest.json']

const isWhole = (folder: string, id: string): boolean => {
  const digest = createHash('sha256')
  for (const name of NAMED_BY) digest.update(readFileSync(join(folder, id, name)))
  return id.endsWith(digest.digest('hex'))
}

export const damagedLoras = (engineDir: string, models: ModelObject[]): string[] =>
  models
    .filter(({ parent }) => parent !== undefined && parent !== null)
    .map(({ id }) => id)
    .filter((id) => !isWhole(join(engineDir, 'loras'), id))
