/** Writes clusters as bytes and reads them. Lines are written once and referenced by number. */
import { AppError } from '../../errors.ts'
import type { LineText } from './building/align.ts'
import type { ByteReader, ByteWriter } from './sampling/bytes.ts'
import type { Cluster, Sample } from './sampling/clusters.ts'

const MAX_ITEMS = 2 ** 26

const writeSample = (
  writer: ByteWriter,
  sample: Sample,
  number: (line: number) => number
): void => {
  writer.number(sample.session)
  writer.number(sample.priority)
  writer.number(sample.at)
  writer.int(sample.turns)
  writer.int(sample.response === null ? 0 : 1)
  if (sample.response !== null) writer.string(sample.response)
  for (const lines of sample.messages) {
    writer.int(lines.length)
    for (const line of lines) writer.int(number(line))
  }
}

const writeCluster = (
  writer: ByteWriter,
  cluster: Cluster,
  number: (line: number) => number
): void => {
  writer.number(cluster.id)
  writer.string(JSON.stringify([cluster.key, cluster.roles]))
  writer.int(cluster.smallest.length)
  for (const session of cluster.smallest) writer.number(session)
  writer.int(cluster.samples.length)
  for (const sample of cluster.samples) writeSample(writer, sample, number)
}

export const writeClusters = (writer: ByteWriter, clusters: Cluster[], text: LineText): void => {
  const messages = clusters.flatMap(({ samples }) => samples.flatMap((sample) => sample.messages))
  const lines = new Set(messages.flatMap((message) => [...message]))
  const numbers = new Map([...lines].map((line, number) => [line, number]))
  writer.int(numbers.size)
  for (const line of numbers.keys()) writer.string(text(line))
  writer.int(clusters.length)
  for (const cluster of clusters) writeCluster(writer, cluster, (line) => numbers.get(line)!)
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
  messages: Array.from({ length: messages }, () =>
    Uint32Array.from(readMany(reader, () => reader.int()))
  ),
})

const readCluster = (reader: ByteReader): Cluster => {
  const id = reader.number()
  const [key, roles] = JSON.parse(reader.string()) as [Cluster['key'], string[]]
  const smallest = readMany(reader, () => reader.number())
  const samples = readMany(reader, () => readSample(reader, roles.length))
  return { id, key, roles, smallest, samples, lastRequest: 0 }
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
