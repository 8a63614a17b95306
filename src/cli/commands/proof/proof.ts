import { Command } from 'commander'
import { proofFile } from '../../../lifecycle/proof-file.ts'
import { internalizationOf, withStore } from '../../context.ts'
import { writeOut } from '../../output.ts'

const printProof = (id: string): Promise<void> =>
  withStore(async (store) => {
    const file = await proofFile(store, await internalizationOf(store, id), Date.now())
    // on one line: it may have 100,000 pairs
    writeOut(`${JSON.stringify(file)}\n`)
  })

export const proofCommand = (): Command =>
  new Command('proof')
    .description(
      'print the proof file of an internalization: the figures, without text, from which promptintern verify recomputes the decision'
    )
    .argument('<internalization>', 'id of the internalization, or the start of it')
    .option('--json', 'print errors as JSON, like the file')
    .action(printProof)
