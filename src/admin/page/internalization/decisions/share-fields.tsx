/** The share of the traffic that a person gives a route. */
import type { BodyData } from 'hono/utils/body'
import { AppError } from '../../../../errors.ts'
import { formText } from '../../form-text.ts'
import { shortPercent } from '../../../../core/figure-text.ts'

export interface ShareFieldsProps {
  /** what is entered unless a person chooses another share; null: there is no such stage */
  usual: { share: number; name: string } | null
  /** further shares to choose from */
  others: number[]
  /** what speaks against a larger share, to be confirmed; null: nothing does */
  missing: string | null
}

export const ShareFields = ({ usual, others, missing }: ShareFieldsProps) => (
  <>
    <fieldset class="choices">
      <legend>Share of the requests</legend>
      {usual !== null && (
        <label>
          <input type="radio" name="share" value={usual.share} checked /> {usual.name}
        </label>
      )}
      {others.map((share) => (
        <label>
          <input type="radio" name="share" value={share} /> {shortPercent(share)}
        </label>
      ))}
    </fieldset>
    <label for="percent">Or another share, in percent</label>
    <input id="percent" name="percent" type="number" min="0.01" max="100" step="any" />
    {missing !== null && (
      <label class="check">
        <input type="checkbox" name="forced" value="yes" /> {missing}
      </label>
    )}
  </>
)

export interface ChosenShare {
  /** 0 to 1; null: none was chosen */
  share: number | null
  isForced: boolean
}

/** @throws AppError `invalid-request` for what is no share */
export const shareIn = (form: BodyData): ChosenShare => {
  const [percent, chosen] = [formText(form, 'percent').trim(), formText(form, 'share')]
  const isForced = formText(form, 'forced') === 'yes'
  if (percent === '' && chosen === '') return { share: null, isForced }
  const share = percent === '' ? Number(chosen) : Number(percent) / 100
  const isShare = share <= 1 && (percent === '' ? share >= 0 : share > 0)
  if (!isShare)
    throw new AppError('invalid-request', 'a share must be above 0 and at most 100 percent')
  return { share, isForced }
}
