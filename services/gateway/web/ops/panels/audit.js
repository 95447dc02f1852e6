/** Who did what, when and why; of score's acts, or of auth's. */

import { el } from '../../dom.js';
import { field, form, input, select } from '../form.js';
import { Listing } from '../listing.js';
import { asking } from '../load.js';
import { person } from '../people.js';
import { code, evidence, when } from '../show.js';
import { caseLink } from './reversals.js';

const PAGE = 50;

/** @param {import('../app.js').Place} place */
export function audit({ send }) {
  const source = select('source', [
    ['/api/admin/audit', 'Ledger and cases'],
    ['/api/admin/audit/accounts', 'Accounts'],
  ]);
  const user = input({ name: 'user_id', maxlength: '64', type: 'search' });
  const caseId = input({ name: 'case_id', maxlength: '64', type: 'search' });
  const ofCase = field('Case', caseId);
  const listing = new Listing({
    name: 'Acts',
    empty: 'Nothing was done.',
    page: async (before) => {
      const query = {
        user_id: user.value.trim(),
        case_id: ofCase.hidden ? '' : caseId.value.trim(),
        before,
        limit: PAGE,
      };
      const { acts: items, next } = await send('GET', asking(source.value, query));
      return { items, next };
    },
    columns: [
      { title: 'When', cell: ({ at }) => when(at) },
      { title: 'Who', cell: ({ actor }) => actor },
      { title: 'What', cell: ({ action }) => code(action) },
      { title: 'User', cell: ({ user_id }) => person(user_id) },
      { title: 'Case', cell: ({ case_id }) => (case_id ? caseLink(case_id) : '–') },
      { title: 'Why', cell: ({ reason }) => reason || '–' },
      { title: 'Detail', cell: ({ detail }) => evidence(detail) },
    ],
  });
  source.addEventListener('change', () => {
    ofCase.hidden = source.value.endsWith('accounts');
    listing.refresh();
  });
  const show = el('button', { class: 'quiet', type: 'submit' }, 'Show');
  const filters = el(
    'div',
    { class: 'filters' },
    field('Acts', source),
    field('User id', user),
    ofCase,
    show,
  );
  listing.refresh();
  return el(
    'div',
    { class: 'stack' },
    form(() => listing.refresh(), filters),
    listing.element,
  );
}
