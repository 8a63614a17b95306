/** A header and a few float vectors in one safetensors file: checkpoints and the optimizer's state. */
import { readFile } from 'node:fs/promises'
import { writeAtomically } from '../../host/disk.ts'
import { decodeSafetensors, encodeSafetensors } from '../../lora/safetensors.ts'

export interface StateFile {
  header: Record<string, unknown>
  vectors: Float32Array[]
}

/** @throws AppError `store-unavailable` */
export const writeStateFile = (path: string, { header, vectors }: StateFile): Promise<void> => {
  const tensors = vectors.map((data, at) => ({ name: `${at}`, dims: [data.length], data }))
  return writeAtomically(path, encodeSafetensors(tensors, { header: JSON.stringify(header) }))
}

/** @returns null when the file is missing, truncated or of another format */
export const readStateFile = async (path: string): Promise<StateFile | null> => {
  try {
    const { metadata, tensors } = decodeSafetensors(await readFile(path), path)
    const header = JSON.parse(metadata.header!) as StateFile['header']
    return { header, vectors: [...tensors.values()].map(({ data }) => data) }
  } catch {
    return null
  }
}
