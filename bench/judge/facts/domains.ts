/** Answers of four domains in three languages, three wordings each. */
import type { Domain, Vocabulary } from './pairs.ts'

const listed = (words: string): string[] => words.split(' ')

const VOCABULARY: Vocabulary = {
  first: listed('Sofia Tobias Camille Ignacio Giulia Aylin Henrik Beatriz Mateo Piotr'),
  last: listed(
    'Andersson Fischer Laurent Romero Ferrari Novák Silva Becker Girard Iglesias Conti Weber Haddad'
  ),
  places: listed('Nantes Bilbao Verona Oxford Zürich Toulouse Málaga Palermo Bristol Luzern'),
  quotes: [
    'late arrival',
    'quiet room',
    'pay by card',
    'bring a laptop',
    'second floor',
    'vegan menu',
    'full refund',
    'no smoking',
  ],
  codes: [
    'user.name',
    'MAX_RETRIES',
    'isEnabled',
    'batch_size',
    'flushQueue()',
    'pool_limit',
    'useCache',
    'log_level',
  ],
  hosts: [
    'www-hotel.example.net',
    'academy.example.org',
    'jobs.nordwind.de',
    'billing.example.com',
    'docs.devtool.io',
  ],
  id: (draw) =>
    draw.one([
      `BK${draw.digits(6)}`,
      `RE-2026-${draw.digits(4)}`,
      `${1 + draw.below(9)}${draw.digits(6)}`,
      `C-${draw.digits(3)}/${draw.digits(2)}`,
    ]),
}

const HOTEL: Domain = {
  vocabulary: VOCABULARY,
  wordings: {
    en: [
      'Thank you, {name}. Booking {id} covers {count} nights in {place} from {date}. Breakfast is included. The total comes to {amount}. Request noted: {quote}.',
      'Good morning {name}! Your stay in {place} begins on {date} and lasts {count} nights (booking {id}). You owe {amount}, with breakfast included. We have recorded your wish {quote}.',
      'We look forward to welcoming {name} to {place} on {date}. Reference {id}, {count} nights, {amount} in all. {quote} has been passed on. The price includes breakfast.',
    ],
    de: [
      'Vielen Dank, {name}. Die Buchung {id} umfasst {count} Nächte in {place} ab dem {date}. Frühstück ist inbegriffen. Der Gesamtpreis beträgt {amount}. Notierter Wunsch: {quote}.',
      'Guten Morgen {name}! Ihr Aufenthalt in {place} beginnt am {date} und dauert {count} Nächte (Buchung {id}). Zu zahlen sind {amount}, inklusive Frühstück. Ihren Wunsch {quote} haben wir vermerkt.',
      'Wir freuen uns darauf, {name} am {date} in {place} zu begrüßen. Buchungscode {id}, {count} Nächte, insgesamt {amount}. {quote} wurde weitergegeben. Das Frühstück gehört dazu.',
    ],
    fr: [
      "Merci, {name}. La réservation {id} comprend {count} nuits à {place} à partir du {date}. Le petit-déjeuner est inclus. Le total s'élève à {amount}. Souhait noté : {quote}.",
      'Bonjour {name} ! Votre séjour à {place} commence le {date} et dure {count} nuits (réservation {id}). Vous devez {amount}, petit-déjeuner compris. Nous avons enregistré votre souhait {quote}.',
      "Nous nous réjouissons d'accueillir {name} à {place} le {date}. Référence {id}, {count} nuits, {amount} au total. La demande {quote} a été transmise. Le prix inclut le petit-déjeuner.",
    ],
  },
}

const INVOICE: Domain = {
  vocabulary: VOCABULARY,
  wordings: {
    en: [
      'Invoice {id} over {amount} was due on {date}. We have received your payment. After {span} a fee of {percent} applies. Contact: {email}, {phone}.',
      'Our records show {amount} for invoice {id}, due {date}. Payment has arrived. If {span} pass, we add {percent}. Reach accounting at {phone} or {email}.',
      'A short reminder about {id}: the deadline was {date}, the sum is {amount}, and your payment was booked. A surcharge of {percent} follows after {span}. Write to {email} or ring {phone}.',
    ],
    de: [
      'Die Rechnung {id} über {amount} war am {date} fällig. Ihre Zahlung ist eingegangen. Nach {span} wird eine Gebühr von {percent} erhoben. Kontakt: {email}, {phone}.',
      'Laut unseren Unterlagen sind {amount} für die Rechnung {id} offen, fällig am {date}. Das Geld haben wir erhalten. Verstreichen {span}, kommen {percent} hinzu. Die Buchhaltung erreichen Sie unter {phone} oder {email}.',
      'Eine kurze Erinnerung zu {id}: Die Frist endete am {date}, die Summe lautet {amount}, und Ihre Überweisung wurde gebucht. Ein Zuschlag von {percent} folgt nach {span}. Schreiben Sie an {email} oder rufen Sie {phone} an.',
    ],
    fr: [
      "La facture {id} de {amount} était due le {date}. Votre paiement nous est parvenu. Après {span}, des frais de {percent} s'appliquent. Contact : {email}, {phone}.",
      'Selon nos dossiers, la facture {id}, échue le {date}, porte sur {amount}. Le règlement est arrivé. Au bout de {span}, nous ajoutons {percent}. La comptabilité répond au {phone} ou à {email}.',
      "Petit rappel concernant {id} : l'échéance était le {date}, la somme est de {amount}, et votre versement a été enregistré. Une majoration de {percent} suivra après {span}. Écrivez à {email} ou appelez le {phone}.",
    ],
  },
}

const COURSE: Domain = {
  vocabulary: VOCABULARY,
  wordings: {
    en: [
      'Course {id} starts on {date} at {time} in {place}, taught by {name}. There are {count} seats. Beginners are admitted. Enrol at {url} within {span}.',
      'Your teacher {name} opens course {id} in {place} on {date}, {time}. The group has {count} places, and beginners can join. You have {span} to sign up: {url}',
      'Places for {count} people: that is course {id} with {name}. First lesson: {date}, {time}, {place}. It is suitable for beginners. Registration closes in {span}; go to {url}.',
    ],
    de: [
      'Der Kurs {id} beginnt am {date} um {time} in {place}, Leitung: {name}. Es gibt {count} Plätze. Anfänger sind zugelassen. Melden Sie sich innerhalb von {span} unter {url} an.',
      'Ihre Lehrkraft {name} eröffnet den Kurs {id} in {place} am {date}, {time}. Die Gruppe hat {count} Plätze, und Anfänger können teilnehmen. Zur Anmeldung bleiben {span}: {url}',
      'Platz für {count} Menschen bietet der Kurs {id} mit {name}. Erste Stunde: {date}, {time}, {place}. Für Anfänger ist er geeignet. Die Anmeldung schließt in {span}; besuchen Sie {url}.',
    ],
    fr: [
      'Le cours {id} débute le {date} à {time} à {place}, animé par {name}. Il y a {count} places. Les débutants sont admis. Inscrivez-vous sur {url} sous {span}.',
      'Votre professeur {name} ouvre le cours {id} à {place} le {date}, {time}. Le groupe compte {count} places et les débutants peuvent participer. Il vous reste {span} pour vous inscrire : {url}',
      '{count} personnes peuvent suivre le cours {id} avec {name}. Première leçon : {date}, {time}, {place}. Il convient aux débutants. Les inscriptions ferment dans {span} ; rendez-vous sur {url}.',
    ],
  },
}

const RELEASE: Domain = {
  vocabulary: VOCABULARY,
  wordings: {
    en: [
      'Version 4.{count}.0 came out on {date}. The option {code} is supported any longer than {span}. It saves {percent} of memory; {name} wrote the change {id}. Read {url}.',
      'On {date} we shipped 4.{count}.0. Memory use fell by {percent} thanks to {name} (change {id}). Within {span}, {code} stays supported. Notes: {url}',
      'Release 4.{count}.0 ({date}), change {id} by {name}: {percent} less memory. Support for {code} continues after {span}. Documentation is at {url}.',
    ],
    de: [
      'Version 4.{count}.0 erschien am {date}. Die Option {code} wird länger als {span} unterstützt. Sie spart {percent} Speicher; die Änderung {id} stammt von {name}. Lesen Sie {url}.',
      'Am {date} haben wir 4.{count}.0 veröffentlicht. Der Speicherbedarf sank dank {name} um {percent} (Änderung {id}). Nach {span} wird {code} weiter unterstützt. Hinweise: {url}',
      'Ausgabe 4.{count}.0 ({date}), Änderung {id} von {name}: {percent} weniger Speicher. Die Unterstützung für {code} bleibt nach {span} bestehen. Die Dokumentation liegt unter {url}.',
    ],
    fr: [
      "La version 4.{count}.0 est sortie le {date}. L'option {code} est prise en charge au-delà de {span}. Elle économise {percent} de mémoire ; le changement {id} est de {name}. Lisez {url}.",
      'Le {date}, nous avons publié 4.{count}.0. La mémoire a baissé de {percent} grâce à {name} (changement {id}). Après {span}, {code} restera maintenue. Notes : {url}',
      'Publication 4.{count}.0 ({date}), changement {id} par {name} : {percent} de mémoire en moins. La prise en charge de {code} continue après {span}. La documentation se trouve sur {url}.',
    ],
  },
}

export const DOMAINS: readonly Domain[] = [HOTEL, INVOICE, COURSE, RELEASE]
