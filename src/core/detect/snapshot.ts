/** Writes clusters as bytes and reads them. Lines are written once and referenced by number. */
import { AppError } from '../../errors.ts'
import { valueIn } from '../lists.ts'
import type { LineText } from './building/align.ts'
import type { ByteReader, ByteWriter } from './sampling/bytes.ts'
import type { Cluster, Sample } from './sampling/clusters.ts'
import { ExamplePool } from './sampling/example-pool.ts'

const MAX_ITEMS = 2 ** 26

export const writeClusters = (writer: ByteWriter, clusters: Cluster[], text: LineText): void => {
  const messages = clusters.flatMap(({ samples }) => samples.flatMap((sample) => sample.messages))
  const lines = new Set(messages.flatMap((message) => [...message]))
  const numbers = new Map([...lines].map((line, number) => [line, number]))
  const writeSample = (sample: Sample): void => {
    writer.number(sample.session)
    writer.number(sample.priority)
    writer.number(sample.at)
    writer.int(sample.turns)
    writer.int(sample.response === null ? 0 : 1)
    if (sample.response !== null) writer.string(sample.response)
    writer.string(sample.caller)
    for (const message of sample.messages) {
      writer.int(message.length)
      for (const line of message) writer.int(valueIn(numbers, line))
    }
  }
  writer.int(lines.size)
  for (const line of lines) writer.string(text(line))
  writer.int(clusters.length)
  for (const { id, key, roles, smallest, samples, pairs } of clusters) {
    writer.number(id)
    writer.string(JSON.stringify([key, roles]))
    writer.int(smallest.length)
    for (const session of smallest) writer.number(session)
    writer.int(samples.length)
    for (const sample of samples) writeSample(sample)
    pairs.write(writer)
  }
}

const readCount = (reader: ByteReader): number => {
  const count = reader.int()
  if (count < 0 || count > MAX_ITEMS) {
    throw new AppError('invalid-state', 'the detector snapshot is damaged')
  }
  return count
}

const readMany = <Item>(reader: ByteReader, read: () => Item): Item[] =>
  Array.from({ length: readCount(reader) }, read)

const readSample = (reader: ByteReader, messages: number): Sample => ({
  session: reader.number(),
  priority: reader.number(),
  at: reader.number(),
  turns: reader.int(),
  response: reader.int() === 1 ? reader.string() : null,
  caller: reader.string(),
  messages: Array.from({ length: messages }, () =>
    Uint32Array.from(readMany(reader, () => reader.int()))
  ),
})

const readCluster = (reader: ByteReader): Cluster => {
  const id = reader.number()
  const [key, roles] = JSON.parse(reader.string()) as [Cluster['key'], string[]]
  const smallest = readMany(reader, () => reader.number())
  const samples = readMany(reader, () => readSample(reader, roles.length))
  const pairs = ExamplePool.read(reader)
  return { id, key, roles, smallest, samples, pairs, lastRequest: 0 }
}

/** @throws AppError `invalid-state` when the bytes are damaged */
export const readClusters = (reader: ByteReader): { clusters: Cluster[]; text: LineText } => {
  const lines = readMany(reader, () => reader.string())
  const clusters = readMany(reader, () => readCluster(reader))
  const text = (line: number): string => {
    const found = lines[line]
    if (found === undefined) throw new AppError('invalid-state', 'the detector snapshot is damaged')
    return found
  }
  return { clusters, text }
}
