/** What a forgetting would do, or did. Pure. */
import type { ForgetReport, Learned } from '../../../lifecycle/forget.ts'
import { Notice } from '../parts/figures.tsx'
import { counted, whole } from '../parts/format.ts'
import { InternalizationLink, TemplateLink, type Names } from '../links.tsx'
import { STATE_WORDS } from '../parts/state.tsx'
import { numbers, Table } from '../parts/table.tsx'

const learnedCells = (
  { id, templateVersion, state, trained, heldOut, loras }: Learned,
  names: Names
) => [
  <InternalizationLink id={id} />,
  <TemplateLink version={templateVersion} names={names} />,
  STATE_WORDS[state],
  whole(trained),
  whole(heldOut),
  whole(loras.length),
]

/** Internalizations that used the records. */
const LearnedTable = ({ learned, names }: { learned: Learned[]; names: Names }) => (
  <Table
    caption="Internalizations that used these records"
    columns={[
      'Internalization',
      'Template',
      'State',
      ...numbers('Trained on', 'Judged with', 'Loras'),
    ]}
    rows={learned.map((row) => learnedCells(row, names))}
    empty="No internalization used them."
  />
)

const isTrained = ({ learned }: ForgetReport): boolean => learned.some(({ trained }) => trained > 0)

export interface ForgetReportProps {
  report: ForgetReport
  names: Names
}

export const WouldForget = ({ report, names }: ForgetReportProps) => (
  <>
    <p>
      <strong>{counted(report.records, 'record')}</strong> would be deleted, with all copies of
      their text. {isTrained(report) && 'Loras were trained on some of them.'}
    </p>
    <LearnedTable learned={report.learned} names={names} />
  </>
)

const doneText = ({ records, bodies, learned }: ForgetReport): string =>
  records === 0 && learned.length === 0
    ? 'No record matches: nothing was deleted.'
    : `${counted(records, 'record')} with ${whole(bodies ?? 0)} bodies were deleted. The running totals, which have no text, stay.`

export const Forgotten = ({ report, names, retired }: ForgetReportProps & { retired: boolean }) => (
  <>
    <Notice tone="good">{doneText(report)}</Notice>
    {report.task !== null && (
      <p>
        The worker now removes templates without records, cleans the database's files, and has the
        engine delete its training files.
      </p>
    )}
    {isTrained(report) && !retired && (
      <Notice tone="waits">
        Loras that were trained on the records still contain what they learned: forget again with
        “retire” to delete these loras and their routes.
      </Notice>
    )}
    <LearnedTable learned={report.learned} names={names} />
  </>
)
