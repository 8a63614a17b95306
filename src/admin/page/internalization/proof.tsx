/** The figures of a verdict: samples, parts of the traffic, candidates. */
import type {
  Internalization,
  ProvenVerdict,
} from '../../../core/internalization/internalization.ts'
import { cellText } from '../../../views/facts.ts'
import {
  fieldsTable,
  otherFieldsText,
  verdictLines,
  verdictTables,
} from '../../../views/say-verdict.ts'
import { internalizationPath, withQuery } from '../address.ts'
import { Facts } from '../parts/facts.tsx'
import { FieldRules } from '../templates/field-rules.tsx'

interface ProofProps {
  row: Internalization
  verdict: ProvenVerdict
  /** the upstream's */
  model: string
}

export const Proof = ({ row, verdict, model }: ProofProps) => {
  const { plan } = row
  const { fields } = verdict
  const others = fields && otherFieldsText(fields)
  return (
    <section>
      {verdictLines(row, verdict, model).map((line) => (
        <p>{line}</p>
      ))}
      <div class="stack">
        {verdictTables(verdict, model).map((table) => (
          <Facts table={table} />
        ))}
        {plan?.answers.fields !== undefined && (
          <FieldRules
            rules={plan.answers.fields}
            caption="Fields that are not compared, or not as they are, fixed when it was planned"
          />
        )}
        {fields !== undefined && (
          <Facts
            table={fieldsTable(fields)}
            linkOf={(path) =>
              withQuery(`${internalizationPath(row.id)}/answers`, { field: cellText(path) })
            }
            empty="All fields of all compared answers agree."
          />
        )}
        {others != null && <p>{others}</p>}
      </div>
    </section>
  )
}
