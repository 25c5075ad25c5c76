// What the page says where it cannot start. A classic script in old words, and with both languages in it: where a page is
// opened as a file, or by a browser that is too old, no module runs.
(() => {
  const SENTENCES = {
    file: {
      en: 'A browser runs this page only from a web server, not from a file: type “npm start” in the folder of Nibble, and open the address that it prints.',
      zh: '浏览器不能从文件直接运行此页面，只能通过网页服务器打开：请在 Nibble 的文件夹中运行“npm start”，然后打开它显示的地址。',
    },
    old: {
      en: 'This browser is too old for this page: it takes Chrome or Edge 103, Firefox 104, Safari 16.4, or a newer one.',
      zh: '此浏览器版本过旧，无法运行此页面：请使用 Chrome 或 Edge 103、Firefox 104、Safari 16.4 或更新的版本。',
    },
  };
  const isOld =
    typeof structuredClone !== 'function' ||
    !AbortSignal.timeout ||
    ![].findLast ||
    typeof HTMLDialogElement !== 'function';
  const problem = location.protocol === 'file:' ? 'file' : isOld ? 'old' : null;
  if (problem === null) return;
  const place = document.getElementById('cannot-start');
  if (!place) return;
  place.textContent = SENTENCES[problem][/^zh/i.test(navigator.language) ? 'zh' : 'en'];
  place.hidden = false;
})();
