/** Links to what has a view of its own, by the name that people know it by. */
import { internalizationPath, templatePath } from '../address.ts'
import { Line } from './text.tsx'

/** Characters of a version or an id that tell it apart from the others of a list. */
const SHORT_CHARS = 12

export const shortName = (name: string): string => name.slice(0, SHORT_CHARS)

/** Labels by template version. */
export type Labels = ReadonlyMap<string, string>

/** @param label null: the template has none */
export const TemplateName = ({ version, label }: { version: string; label: string | null }) => (
  <a href={templatePath(version)}>
    <Line text={label ?? shortName(version)} chars={60} />
  </a>
)

export const TemplateLink = ({ version, labels }: { version: string; labels: Labels }) => (
  <TemplateName version={version} label={labels.get(version) ?? null} />
)

export const InternalizationLink = ({ id }: { id: string }) => (
  <a href={internalizationPath(id)}>{shortName(id)}</a>
)
