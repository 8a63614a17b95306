/** Forms that change something. Each says what it will do before it is sent, and works without a script. */
import type { Child } from 'hono/jsx'

/** Name of the hidden field with the form's token. */
export const TOKEN_FIELD = 'form-token'

export interface ActionProps {
  /** the verb on the button */
  verb: string
  /** what will happen, in a sentence or two */
  says: Child
  path: string
  formToken: string
  /** `reason`: asked for and kept in the history; `none`: not asked for */
  reason: 'required' | 'optional' | 'none'
  /** `main`: what a person most likely came for */
  tone?: 'plain' | 'main' | 'bad'
  /** the form is in sight at once */
  isOpen?: boolean
  /** further fields */
  children?: Child
}

const Reason = ({ id, isRequired }: { id: string; isRequired: boolean }) => (
  <>
    <label for={id}>Reason{isRequired ? '' : ' (optional)'}</label>
    <input id={id} name="reason" maxlength={300} required={isRequired} autocomplete="off" />
  </>
)

/** Opens below its verb, so that a decision takes two steps. */
export const Action = ({
  verb,
  says,
  path,
  formToken,
  reason,
  tone,
  isOpen,
  children,
}: ActionProps) => {
  const id = `reason${path.replaceAll('/', '-')}`
  return (
    <details class="action" open={isOpen}>
      <summary class={tone}>{verb}</summary>
      <form method="post" action={path}>
        <p>{says}</p>
        {children}
        {reason !== 'none' && <Reason id={id} isRequired={reason === 'required'} />}
        <input type="hidden" name={TOKEN_FIELD} value={formToken} />
        <button class={tone}>{verb}</button>
      </form>
    </details>
  )
}
