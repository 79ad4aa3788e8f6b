import { file, png } from './lib/pictures.mjs';
import * as p from './lib/people.mjs';
import { startStack } from './stack.mjs';
const stack = await startStack(); const browser = await p.launch();
const ada = await p.person(browser, stack), ben = await p.person(browser, stack, {viewport:{width:900,height:800}});
const last=[]; let panics=0;
for (const me of [ada,ben]) me.page.on('console', m=>{ if(m.type()==='error'){ const t=m.text(); if(/panick|unreachable|RuntimeError/.test(t)) { panics++; console.log('PANIC', t.slice(0,400), '\n after', last.slice(-6).join(' | ')); } }});
await p.connect(ada); await p.connect(ben);
const room = await p.createRoom(ada,'Monkey'); await p.addMember(ada, ben.address);
await p.share(ada,'one',[file('a.png', png()), file('b.png', png({seed:4}))]);
await p.ask(ada,'Q?',['A','B']);
await p.enterRoom(ben, room);
let seed=Number(process.argv[2]??1); const rnd=n=>{seed=(Math.imul(seed,1664525)+1013904223)>>>0; return (seed>>>8)%n;};
const until=Date.now()+Number(process.argv[3]??60)*1000; let n=0;
while(Date.now()<until && panics<3){ const me=rnd(2)?ada:ben; n++;
  try {
    const act=rnd(12);
    if(act===0){ await me.page.keyboard.press(['Escape','Tab','Enter','ArrowDown','ArrowRight','Space','+','-'][rnd(8)]); last.push('key'); continue; }
    if(act===1){ await me.page.getByTestId('attach').setInputFiles([file(`m${n}.png`, png({seed:n+2,width:64,height:64}))],{timeout:500}); last.push('attach'); continue; }
    if(act===2 && rnd(6)===0){ await me.page.goto(stack.url+[room,'/rooms','/rooms/new','/'][rnd(4)]); await p.live(me); last.push('goto'); continue; }
    if(act===3 && rnd(3)===0){ await me.page.goBack({timeout:1000}).catch(()=>{}); last.push('back'); continue; }
    const all=await me.page.locator('button:visible:not([disabled]), a:visible, input:visible:not([disabled]):not([type=file]), textarea:visible:not([disabled]), label:visible, summary:visible').all();
    if(!all.length) continue; const el=all[rnd(all.length)];
    const info=await el.evaluate(e=>[e.tagName,e.type||'',(e.textContent||e.placeholder||e.ariaLabel||'').trim().slice(0,30),e.getAttribute('aria-label')||'', e.href||''].join(' '),{timeout:300});
    if(/Disconnect|github|licen|What the server can see/i.test(info)) continue; if(/member-remove|Remove|Take off/i.test(info)) continue;
    last.push((me===ada?'A ':'B ')+info);
    if(/^(INPUT (text|search|$)|TEXTAREA)/.test(info)) await el.fill(['x','Granuloma',`text ${n}`,''][rnd(4)],{timeout:400}); else await el.click({timeout:400});
  } catch(e) {}
  if(!/\/rooms\/0x/.test(me.page.url()) && rnd(4)===0) { await me.page.goto(stack.url+room); await p.live(me); last.push('home'); }
  if (await me.page.getByText('This page has stopped').isVisible().catch(()=>false)) { console.log('STOPPED after', last.slice(-5).join(' | ')); await me.page.goto(stack.url+room); await p.live(me); }
}
console.log('actions', n, 'panics', panics, 'errors', ada.errors, ben.errors, 'csp', ada.violations, ben.violations);
await browser.close(); await stack.stop();
