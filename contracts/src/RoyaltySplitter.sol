// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";

/// @title Royalties of one conversation, shared as its contributors agreed
/// @notice Each contributor fetches their own share, in the chain's own currency or any ERC-20, whenever they
/// like and wherever to. Nobody's refusal or failure holds back anybody else, and nobody can change the shares.
/// @dev Used as a minimal clone: contributors and shares are the clone's immutable arguments, so that there is
/// nothing to initialise and nothing to overwrite. Sums round down; at most one unit per contributor and asset
/// stays. Assets that take a fee on transfer or change balances by themselves are paid from what is there.
contract RoyaltySplitter is ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    /// The shares of all contributors together, in hundredths of a percent.
    uint256 public constant WHOLE = 10_000;

    /// Paid out so far, of an asset; the zero address is the chain's own currency.
    mapping(address asset => uint256) public released;
    mapping(address asset => mapping(address person => uint256)) public releasedTo;

    event Received(address indexed from, uint256 amount);
    event Claimed(address indexed asset, address indexed person, address indexed to, uint256 amount);

    error NotAContributor(address person);
    error NothingDue(address asset, address person);
    error ZeroAddress();

    receive() external payable {
        emit Received(msg.sender, msg.value);
    }

    /// @notice Pays the caller's due share of `asset` (zero: the chain's own currency) to `to`.
    function claim(address asset, address payable to) external nonReentrant returns (uint256 amount) {
        if (to == address(0)) revert ZeroAddress();
        if (shareOf(msg.sender) == 0) revert NotAContributor(msg.sender);
        amount = due(asset, msg.sender);
        if (amount == 0) revert NothingDue(asset, msg.sender);
        // Booked before it is sent: whoever is called back finds nothing more due.
        released[asset] += amount;
        releasedTo[asset][msg.sender] += amount;
        emit Claimed(asset, msg.sender, to, amount);
        if (asset == address(0)) Address.sendValue(to, amount);
        else IERC20(asset).safeTransfer(to, amount);
    }

    /// @notice What `person` could claim of `asset` now.
    function due(address asset, address person) public view returns (uint256) {
        uint256 here = asset == address(0) ? address(this).balance : IERC20(asset).balanceOf(address(this));
        uint256 earned = (here + released[asset]) * shareOf(person) / WHOLE;
        uint256 had = releasedTo[asset][person];
        // An asset that shrinks by itself may leave less than was paid already.
        return earned > had ? earned - had : 0;
    }

    /// @notice A person's share in hundredths of a percent; 0 for everybody else.
    function shareOf(address person) public view returns (uint256) {
        (address[] memory people, uint16[] memory shares) = agreed();
        for (uint256 i = 0; i < people.length; i++) {
            if (people[i] == person) return shares[i];
        }
        return 0;
    }

    /// @notice Who gets how much, as all of them signed.
    function agreed() public view returns (address[] memory people, uint16[] memory shares) {
        return abi.decode(Clones.fetchCloneArgs(address(this)), (address[], uint16[]));
    }

    /// @notice Shares, payments so far and what is due of one asset, for everybody at once.
    function accounts(address asset)
        external
        view
        returns (
            address[] memory people,
            uint16[] memory shares,
            uint256[] memory paid,
            uint256[] memory open
        )
    {
        (people, shares) = agreed();
        paid = new uint256[](people.length);
        open = new uint256[](people.length);
        for (uint256 i = 0; i < people.length; i++) {
            paid[i] = releasedTo[asset][people[i]];
            open[i] = due(asset, people[i]);
        }
    }
}
