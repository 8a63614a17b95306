/** Links to what has a view of its own, by the name that people know it by. */
import type { Follower } from '../../core/internalization/followers.ts'
import { shortId } from '../../core/template/name.ts'
import { internalizationPath, templatePath } from './address.ts'
import { Line } from './parts/text.tsx'

/** Names by template version. */
export type Names = ReadonlyMap<string, string>

export const TemplateName = ({ version, name }: { version: string; name: string }) => (
  <a href={templatePath(version)}>
    <Line text={name} chars={60} />
  </a>
)

/** The start of the version where the template is gone. */
export const nameIn = (names: Names, version: string): string =>
  names.get(version) ?? shortId(version)

export const TemplateLink = ({ version, names }: { version: string; names: Names }) => (
  <TemplateName version={version} name={nameIn(names, version)} />
)

const MAX_FOLLOWERS = 5

/** Templates of other models that a person has moved one to, with how far they are. */
export const Followers = ({
  followers,
  names,
}: {
  followers: readonly Follower[]
  names: Names
}) => (
  <>
    {followers.slice(0, MAX_FOLLOWERS).map(({ version, model, state }, place) => (
      <>
        {place > 0 && ', '}
        <TemplateLink version={version} names={names} /> (<Line text={model} chars={40} />, {state})
      </>
    ))}
    {followers.length > MAX_FOLLOWERS && ` and ${followers.length - MAX_FOLLOWERS} more`}
  </>
)

/** From a part of its page, by the address of the whole. */
export const BackLink = ({ path }: { path: string }) => (
  <p>
    <a href={path}>Back to the internalization</a>
  </p>
)

export const InternalizationLink = ({ id }: { id: string }) => (
  <a href={internalizationPath(id)}>{shortId(id)}</a>
)
