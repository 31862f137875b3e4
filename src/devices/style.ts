/** The page's style: inline, and allowed by its hash alone. */
export const STYLE = `
:root { color-scheme: light dark; --ink: light-dark(#1b2430, #e8ecf1); --dim: light-dark(#52606f, #a5b1bf);
  --page: light-dark(#f4f6f8, #12171d); --card: light-dark(#fff, #1b222b); --line: light-dark(#ccd4dc, #364250);
  --accent: light-dark(#0b5cad, #7ab8f5); --danger: light-dark(#a8201a, #ff9a92); --good: light-dark(#e2f3e6, #1c3a26); }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 1rem/1.5 system-ui, sans-serif; }
main { max-width: 46rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1 { margin: .5rem 0; font-size: 1.6rem; line-height: 1.25; }
h2 { margin: 0; font-size: 1.1rem; overflow-wrap: anywhere; }
p { margin: .5rem 0; }
a { color: var(--accent); }
.dim, dt { color: var(--dim); }
.notice { padding: .6rem .9rem; border: 1px solid var(--line); border-radius: .5rem; background: var(--good); }
.notice.bad { background: none; border-color: var(--danger); color: var(--danger); }
.sessions { list-style: none; margin: 1rem 0; padding: 0; display: grid; gap: .9rem; }
.sessions > li { padding: 1rem; border: 1px solid var(--line); border-radius: .6rem; background: var(--card); }
.sessions > li[data-current] { border-color: var(--accent); box-shadow: inset .25rem 0 var(--accent); }
.badge { display: inline-block; margin-inline-start: .35rem; padding: 0 .5rem; border: 1px solid currentColor; border-radius: 1rem;
  font-size: .8rem; font-weight: 500; color: var(--accent); }
.badge.dim { color: var(--dim); }
dl { display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: .5rem 1rem; margin: .6rem 0; }
dt { font-size: .85rem; } dd { margin: 0; overflow-wrap: anywhere; }
.acts { display: flex; flex-wrap: wrap; gap: .6rem; align-items: flex-start; justify-content: space-between; }
details { flex: 1 1 16rem; }
summary, button { min-height: 2.75rem; padding: .5rem .9rem; border: 1px solid var(--line); border-radius: .5rem; font: inherit;
  background: none; color: inherit; cursor: pointer; }
summary { display: inline-block; list-style: none; }
summary::-webkit-details-marker { display: none; }
button.danger { border-color: currentColor; color: var(--danger); }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
details form { display: flex; flex-wrap: wrap; gap: .6rem; align-items: end; margin-top: .6rem; }
label { display: grid; gap: .2rem; flex: 1 1 12rem; }
input[type=text] { width: 100%; min-height: 2.75rem; padding: .4rem .6rem; border: 1px solid var(--dim); border-radius: .5rem; font: inherit;
  color: inherit; background: var(--page); }
.others { margin-top: 1.5rem; }
@media (max-width: 30rem) { .acts form, .acts button, .acts summary, .others button { width: 100%; text-align: center; } dl { grid-template-columns: 1fr 1fr; } }
`
